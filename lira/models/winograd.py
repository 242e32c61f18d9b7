"""3x3 convolutions of many channels on a CPU as 16 matrix products (Winograd's F(2x2, 3x3), Lavin & Gray 2016).

2.25 times fewer multiplications than the definition, forward and backward, for some additions; the same but for
rounding. It pays where channels are many and images small, as in the last stage of a residual network.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CHANNELS, PIXELS = 512, 4  # measured: 2.2 times as fast as torch there, 0.9 at 256 channels of 8x8, less before
INPUT = torch.tensor([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
KERNEL = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
OUTPUT = torch.tensor([[1.0, 1, 1, 0], [0, 1, -1, -1]])
INPUTS, KERNELS, OUTPUTS = (torch.kron(matrix, matrix) for matrix in (INPUT, KERNEL, OUTPUT))


class FastConvolutions(TorchFunctionMode):
    """While it is active, ``torch.conv2d`` uses :func:`convolve` where that pays."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = options or {}
        if function in (torch.conv2d, functional.conv2d) and _pays(*arguments, **options):
            bias = arguments[2] if len(arguments) > 2 else options.get("bias")
            y = convolve(*arguments[:2])
            return y if bias is None else y + bias[:, None, None]
        return function(*arguments, **options)


def _pays(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> bool:
    if x.dim() != 4 or x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    height, width = x.shape[2:]
    return (
        x.is_contiguous(memory_format=torch.channels_last)
        and weight.dtype == torch.float32
        and weight.shape[2:] == (3, 3)
        and min(weight.shape[:2]) >= CHANNELS
        and max(height, width) <= PIXELS
        and height % 2 == width % 2 == 0
        and all(value in (1, (1, 1), [1, 1]) for value in (stride, padding, dilation, groups))
    )


def convolve(
    x: Float[Tensor, "batch inputs height width"], weight: Float[Tensor, "outputs inputs 3 3"]
) -> Float[Tensor, "batch outputs height width"]:
    """The convolution of stride 1 that keeps the size, of images of even height and width."""
    batch, inputs, height, width = x.shape
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    tiles = padded.unfold(1, 4, 2).unfold(2, 4, 2).permute(4, 5, 0, 1, 2, 3)  # overlap by two pixels
    tiles = (INPUTS @ tiles.reshape(16, -1)).view(16, -1, inputs)
    kernels = (KERNELS @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(16, inputs, -1)
    y = (OUTPUTS @ torch.bmm(tiles, kernels).view(16, -1)).view(2, 2, batch, height // 2, width // 2, -1)
    return y.permute(2, 3, 0, 4, 1, 5).reshape(batch, height, width, -1).permute(0, 3, 1, 2)
