"""Write and show TensorBoard's files. No other folder knows of TensorBoard."""
