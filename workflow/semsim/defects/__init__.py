"""The effects of defects in the paper's released code on its conclusions, each compared with what is intended."""
