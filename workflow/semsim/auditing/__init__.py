"""Auditing anyone's model: what a person might recognise in the gradients that it shares (`semsim audit`).

`network` builds the model and `sample` chooses the images; `attacks` chooses the attacks that suit both and says how
long they take; `gradients` looks at what is shared; `audit` runs everything in a folder that `folder` keeps;
`measures` compares reconstructions with originals and with what a guess would be; `findings` says it in words, and
`page` as a page. The attacks, metrics and pages are those of a study.
"""
