"""Operations on whole maps: check, repair, merge, split, prune, export and import."""
