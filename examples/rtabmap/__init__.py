"""FoL inside RTAB-Map."""
