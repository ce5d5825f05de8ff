"""The tab "Backprop": the tensors of chosen steps are recorded, and a TensorBoard plugin shows how they are made."""
