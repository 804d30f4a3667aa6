"""The countermeasure: a small causal temporal convolution network with statistics pooling over speech frames."""

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


class Countermeasure(nn.Module):
    """x (N, 96, 250) and pooling weights (N, 125) that sum to 1 -> raw score (N,): the log odds of bona fide, uncalibrated."""

    def __init__(self, width=160, dropout=0.1, head_dropout=0.3):
        super().__init__()
        self.enter = nn.Conv1d(BINS, width, 3, stride=2, bias=False)
        self.enter_norm = nn.BatchNorm1d(width)
        self.blocks = nn.Sequential(*[Block(width, dilation, dropout) for dilation in (1, 2, 4, 8, 1, 4)])
        self.head = nn.Sequential(nn.Dropout(head_dropout), nn.Linear(2 * width, 64), nn.ReLU(),
                                  nn.Dropout(head_dropout), nn.Linear(64, 1))

    def pooled(self, x, weights):
        """Mean and spread of every channel over the speech frames (N, 2 * width)."""
        h = F.relu(self.enter_norm(self.enter(F.pad(x, (2, 0)))))
        h = self.blocks(h)
        w = weights.unsqueeze(1)
        mean = (h * w).sum(dim=2)
        spread = torch.sqrt(F.relu((h * h * w).sum(dim=2) - mean * mean) + 1e-4)
        return torch.cat([mean, spread], dim=1)

    def forward(self, x, weights):
        return self.head(self.pooled(x, weights)).squeeze(1)
