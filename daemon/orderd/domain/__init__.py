"""The vocabulary of orderd: pure values and pure functions, shared by every room and by the trainer."""
