"""The command `fol_vpr`: one file for each verb, over shared argument helpers."""
