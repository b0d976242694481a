"""The verbs below `fol_vpr map` that read, make and change maps, but for build and check."""
