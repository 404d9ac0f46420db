"""Networks: PyTorch modules only, no data and no training. Imports torch."""
