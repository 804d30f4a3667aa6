"""Stage 1: a small causal temporal convolution network whose trunk streams; what it says of speech is pooled outside of it."""

import torch
from torch import nn
from torch.nn import functional as F

from limits import BINS


class Block(nn.Module):
    """Depthwise dilated (causal), then pointwise, with a way around."""

    def __init__(self, width, dilation, dropout, kernel=5):
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.depth = nn.Conv1d(width, width, kernel, dilation=dilation, groups=width, bias=False)
        self.depth_norm = nn.BatchNorm1d(width)
        self.point = nn.Conv1d(width, width, 1, bias=False)
        self.point_norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        y = F.relu(self.depth_norm(self.depth(F.pad(x, (self.reach, 0)))))
        y = self.dropout(self.point_norm(self.point(y)))
        return F.relu(x + y)


class Trunk(nn.Module):
    """x (N, 96, T) -> h (N, hidden, T / 2). Causal; frame t of h has heard frames 0 to 2 t of x."""

    def __init__(self, width=160, dropout=0.1, dilations=(1, 2, 4, 8, 1, 4)):
        super().__init__()
        self.hidden = width
        self.enter = nn.Conv1d(BINS, width, 3, stride=2, bias=False)
        self.enter_norm = nn.BatchNorm1d(width)
        self.blocks = nn.Sequential(*[Block(width, dilation, dropout) for dilation in dilations])

    def forward(self, x):
        return self.blocks(F.relu(self.enter_norm(self.enter(F.pad(x, (2, 0))))))


class FixedTrunk(Trunk):
    """A trunk that was read from a file: its norms are folded into its convolutions, and stay as they are in training."""

    def train(self, mode=True):
        return super().train(False)


class Countermeasure(nn.Module):
    """Trunk, statistics and head as training sees them: x (N, 96, T), weights (N, T / 2) that sum to 1 -> raw score (N,)."""

    def __init__(self, width=160, dropout=0.1, head_dropout=0.3):
        super().__init__()
        self.trunk = Trunk(width, dropout)
        self.dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(2 * width, 1)

    def pooled(self, x, weights):
        """Mean and spread of every channel over the speech frames (N, 2 * width)."""
        h, w = self.trunk(x), weights.unsqueeze(1)
        mean = (h * w).sum(dim=2)
        return torch.cat([mean, torch.sqrt(F.relu((h * h * w).sum(dim=2) - mean * mean) + 1e-4)], dim=1)

    def forward(self, x, weights):
        return self.head(self.dropout(self.pooled(x, weights))).squeeze(1)
