"""Who is told how a training goes, and wants to know nothing."""


class Silent:
    """Who wants to know nothing, and may ask for a break."""

    def __init__(self, until=None):
        """Ask for a break in the midst of an iteration: its number, and what is then being done."""
        self.until = until
        self.lines = []

    def begin(self, bounds, seconds):
        """Hear the bounds."""

    def part(self, what, iteration, share):
        """Break where it was asked for."""
        if self.until == (iteration, what):
            raise KeyboardInterrupt

    def line(self, said):
        """Keep what was said."""
        self.lines.append(said)


def same(one, other, aside=("seconds", "commit")):
    """Tell whether two plain values hold the same tensors to the bit, but for times and the state of the sources."""
    import torch

    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], aside) for key in one if key not in aside)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair, aside) for pair in zip(one, other, strict=True))
    return one == other
