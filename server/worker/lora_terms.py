"""What a LoRA adds to the output of one module: one class per way to describe the change ΔW.

A change is never merged into the weights: they may be shared with other models, held in fewer bits,
or on their way to the device; and what was never changed need not be changed back. For a module
with weights W and output y = W·x + b, `change` gives ΔW·x, which a hook adds to y.

Sources: Hu et al., arXiv:2106.09685 (LoRA); Yeh et al., arXiv:2309.14859 (LoCon, LoHa, LoKr and
their Tucker forms); Liu et al., arXiv:2402.09353 (DoRA).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of ΔW are one module's, where a file has several modules' in one.

    `halves_swapped`: the two halves of ΔW's rows come the other way round.
    """

    begin: int
    end: int
    halves_swapped: bool = False

    def of(self, tensor: Tensor) -> Tensor:
        """These rows of a tensor that has a row per output."""
        if self.halves_swapped:
            tensor = tensor.roll(tensor.shape[0] // 2, 0)
        return tensor[self.begin : self.end]


class Term(ABC):
    """A change of one module's output. Its tensors follow the input's device and type."""

    def __init__(self, **tensors: Tensor | None) -> None:
        self._tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}

    @abstractmethod
    def change(self, x: Tensor, y: Tensor, module: nn.Module) -> Tensor:
        """What is added to the module's output at weight 1.

        Args:
            x: the module's input.
            y: its output without any LoRA.
            module: an `nn.Linear` or `nn.Conv2d`, of plain or quantized weights.
        """

    def move(self, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """Bring its tensors there, and return them by name."""
        some = next(iter(self._tensors.values()))
        if some.device != device or some.dtype != dtype:
            self._tensors = {
                name: tensor.to(device, dtype) for name, tensor in self._tensors.items()
            }
        return self._tensors


class Change(Term):
    """A change that can be had as a whole."""

    @abstractmethod
    def delta(self, module: nn.Module) -> Tensor:
        """ΔW itself, in the shape of the module's weights."""


class LowRank(Change):
    """LoRA and LoCon: ΔW = B·A, with a convolution between the two in the Tucker form."""

    def __init__(self, down: Tensor, up: Tensor, mid: Tensor | None = None) -> None:
        """
        Args:
            down: A, of shape (r, in) or (r, in, kh, kw).
            up: B times the scale alpha / r, of shape (out, r) or (out, r, 1, 1).
            mid: of shape (r, r, kh, kw), where `down` is 1 × 1.
        """
        super().__init__(down=down, up=up, mid=mid)

    def change(self, x: Tensor, y: Tensor, module: nn.Module) -> Tensor:
        """See `Term`."""
        own = self.move(x.device, x.dtype)
        if isinstance(module, nn.Conv2d):
            return self._convolve(x, own, module)
        return functional.linear(functional.linear(x, own["down"]), own["up"])

    def delta(self, module: nn.Module) -> Tensor:
        """See `Change`."""
        down, up, mid = (self._tensors.get(name) for name in ("down", "up", "mid"))
        assert down is not None and up is not None
        if mid is not None:
            inner = torch.einsum("rskl,si->rikl", mid, down.flatten(1))
            return torch.einsum("or,rikl->oikl", up.flatten(1), inner)
        return (up.flatten(1) @ down.flatten(1)).reshape(_weight_shape(module))

    def _convolve(self, x: Tensor, own: dict[str, Tensor], module: nn.Conv2d) -> Tensor:
        if "mid" in own:
            low = _convolution(functional.conv2d(x, own["down"]), own["mid"], module)
        else:
            low = _convolution(x, own["down"], module)
        return functional.conv2d(low, own["up"])


class Hadamard(Change):
    """LoHa: ΔW = (A₁·B₁) ∘ (A₂·B₂), element by element, made anew at each call: for a moment it
    takes the memory of one module's weights, instead of all modules' for good."""

    def __init__(self, scale: float, rows: Rows | None, **tensors: Tensor) -> None:
        """
        Args:
            scale: alpha / r.
            rows: which rows are this module's; None: all.
            tensors: `hada_w1_a` (out, r), `hada_w1_b` (r, in · kh · kw), the same with `w2`; with
                `hada_t1`, `hada_t2` (r, r, kh, kw) the Tucker form, where `a` is (r, out).
        """
        super().__init__(**tensors)
        self._scale = scale
        self._rows = rows

    def change(self, x: Tensor, y: Tensor, module: nn.Module) -> Tensor:
        """See `Term`."""
        self.move(x.device, x.dtype)
        return _apply(x, self.delta(module), module)

    def delta(self, module: nn.Module) -> Tensor:
        """See `Change`."""
        whole = self._factor("1") * self._factor("2") * self._scale
        return _part(whole, self._rows).reshape(_weight_shape(module))

    def _factor(self, number: str) -> Tensor:
        own = self._tensors
        rows, columns = own[f"hada_w{number}_a"], own[f"hada_w{number}_b"]
        core = own.get(f"hada_t{number}")
        if core is None:
            return rows @ columns
        return torch.einsum("ijkl,ip,jr->prkl", core, rows, columns)


class Kronecker(Change):
    """LoKr: ΔW = W₁ ⊗ W₂. It is applied factor by factor, which is far less work than ΔW·x."""

    def __init__(self, first: Tensor, second: Tensor, rows: Rows | None) -> None:
        """
        Args:
            first: W₁ times the scale, of shape (a, b).
            second: W₂, of shape (c, d) or (c, d, kh, kw); ΔW has a·c rows and b·d columns.
            rows: which rows are this module's; None: all.
        """
        super().__init__(first=first, second=second)
        self._rows = rows

    def change(self, x: Tensor, y: Tensor, module: nn.Module) -> Tensor:
        """See `Term`."""
        own = self.move(x.device, x.dtype)
        first, second = own["first"], own["second"]
        if self._rows is not None:
            return _apply(x, self.delta(module), module)
        if isinstance(module, nn.Conv2d):
            batch, channels = x.shape[:2]
            groups = x.reshape(batch * first.shape[1], channels // first.shape[1], *x.shape[2:])
            inner = _convolution(groups, second, module)
            inner = inner.reshape(batch, first.shape[1], *inner.shape[1:])
            return torch.einsum("ab,nbchw->nachw", first, inner).flatten(1, 2)
        inner = functional.linear(x.reshape(*x.shape[:-1], first.shape[1], -1), second)
        return torch.einsum("ab,...bc->...ac", first, inner).flatten(-2)

    def delta(self, module: nn.Module) -> Tensor:
        """See `Change`."""
        first, second = self._tensors["first"], self._tensors["second"]
        first = first.reshape(*first.shape, *(1,) * (second.dim() - 2))
        return _part(torch.kron(first, second), self._rows).reshape(_weight_shape(module))


class Dora(Term):
    """DoRA: the rows (or columns) of W + ΔW get lengths of their own, m / ‖W + ΔW‖.

    At weight u the output lies between that of W (0) and that of DoRA's weights (1).
    """

    def __init__(self, inner: Change, magnitude: Tensor, module: nn.Module) -> None:
        """
        Args:
            inner: ΔW.
            magnitude: m, of shape (out,), (out, 1, …) or (1, in, …).
            module: the module, of plain weights that are at hand.
        """
        weight = _plain_weight(module)
        inner.move(weight.device, torch.float32)
        summed = weight.float() + inner.delta(module)
        self._by_rows = magnitude.dim() == 1 or magnitude.shape[0] == weight.shape[0]
        kept = 0 if self._by_rows else 1
        norm = summed.transpose(0, kept).flatten(1).norm(dim=1)
        # A row of zeros has no direction: it stays one. In narrow types most of the digits of a
        # gain near 1 would be lost, unlike those of what is above 1.
        gain = magnitude.flatten().to(norm) / norm.clamp_min(torch.finfo(norm.dtype).tiny)
        super().__init__(more=gain - 1)
        self._inner = inner

    def change(self, x: Tensor, y: Tensor, module: nn.Module) -> Tensor:
        """See `Term`."""
        more = _along(self.move(x.device, x.dtype)["more"], module)
        if not self._by_rows:
            weight = _plain_weight(module).to(x.device, x.dtype)
            stretched = x * more
            return _apply(stretched, weight, module) + self._inner.change(x + stretched, y, module)
        bias = module.bias
        plain = y if not isinstance(bias, Tensor) else y - _along(bias.to(y), module)
        inner = self._inner.change(x, y, module)
        return inner + more * (plain + inner)


def has_plain_weight(module: nn.Module) -> bool:
    """Whether a module's weights are numbers at hand: neither quantized nor elsewhere for now."""
    weight = module.weight
    if type(weight) not in (nn.Parameter, Tensor) or not isinstance(weight, Tensor):
        return False
    return not weight.is_meta and weight.dtype.is_floating_point and weight.dtype.itemsize > 1


def _plain_weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _weight_shape(module: Any) -> tuple[int, ...]:
    if isinstance(module, nn.Conv2d):
        return module.out_channels, module.in_channels // module.groups, *module.kernel_size
    return module.out_features, module.in_features


def _part(whole: Tensor, rows: Rows | None) -> Tensor:
    return whole if rows is None else rows.of(whole)


def _along(values: Tensor, module: nn.Module) -> Tensor:
    """A value per channel, so that it meets the channels of the module's inputs and outputs."""
    return values.reshape(1, -1, 1, 1) if isinstance(module, nn.Conv2d) else values


def _apply(x: Tensor, weight: Tensor, module: nn.Module) -> Tensor:
    """What the module would make of an input with these weights and no bias."""
    if isinstance(module, nn.Conv2d):
        return _convolution(x, weight, module)
    return functional.linear(x, weight)


def _convolution(x: Tensor, weight: Tensor, module: nn.Conv2d) -> Tensor:
    return functional.conv2d(
        x, weight, None, module.stride, module.padding, module.dilation, module.groups
    )
