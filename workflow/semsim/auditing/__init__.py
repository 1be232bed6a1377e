"""Auditing any model: what a person might recognise in the gradients that it shares (`semsim audit`).

`network` builds the model and `sample` chooses the images; `attacks` chooses the attacks that apply to both and
estimates how long they take; `gradients` examines what is shared; `audit` runs everything in a folder that `folder`
manages; `measures` compares reconstructions with originals and with guesses; `findings` puts the results into words,
and `page` on a page. The attacks, metrics and pages are those of a study.
"""
