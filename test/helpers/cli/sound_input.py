"""What the sound input has, beside which bad input is given."""

SMALL = ['--input-size', '126', '--weights', 'untrained-vits14']
"""Options of a network without weights, which answers soon."""
COUNT = 4
"""Of the images, and of the places of the map."""
