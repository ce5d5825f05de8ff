"""A whole network is judged by its own loss: every gradient that it returns or keeps, by the name of its weight.

`data` has the X and y that such code may want, `names` says which gradient belongs to which weight. `of_class` and
`of_functions` read the code: what holds the weights, what computes the loss, where the gradients come out. `form` runs
it as a form among others, `judge` chooses the data and gives the verdict.
"""
