"""The forms in which people write a gradient, one file each; `recognise` finds out which one it is."""
