"""What a run leaves for TensorBoard, and TensorBoard itself: no other room knows of it."""
