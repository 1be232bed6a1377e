"""Asking people: label campaigns, who is shown what, the answers on disk, and the page that collects them.

`making` writes a campaign's folder and `campaign` reads it; `assignment` chooses what an annotator sees; `store` keeps
the answers; `server` is the page's other side, with its guards in `guards`; `results` makes the tables. Nothing here
imports torch.
"""
