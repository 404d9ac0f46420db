"""Runs the order model in a program of its own (``python -m orderd.inference``), and orderd's client of it.

The only room that imports onnxruntime and numpy; ``client``, ``protocol`` and this file import neither: orderd loads them.
"""
