"""Twenty exercises, from ReLU to attention. They are data, and need NumPy alone: a page in a browser can show them."""
