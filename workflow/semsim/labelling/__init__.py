"""Collecting labels from people: campaigns, who is shown what, the answers on disk, and the page that collects them.

`making` writes a campaign's folder and `campaign` reads it; `assignment` chooses what an annotator sees; `store` keeps
the answers; `server` serves the page, protected by `guards`; `results` makes the tables. Nothing here imports torch.
"""
