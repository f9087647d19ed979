"""A style network, whole: encoder, the transfer at one level or more, decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from torch import Tensor, nn

from .light import WIDTHS, LightDecoder, LightEncoder
from .sct import SCT, Moments, StyleCode
from .vgg import FROM_RELU3, VGGEncoder, decoder_layers, vgg_layers

Mode = Literal["artistic", "photo"]


@dataclass(frozen=True)
class Shape:
    """What of a network the code around it must know.

    Attributes
    ----------
    stride
        Sides of what it is given are whole multiples of this.
    halo_px
        How far a pixel of the result looks, rounded up to whole strides.
    """

    stride: int
    halo_px: int


class StyleNetwork(nn.Module):
    """Content and a style's codes -> content in that style.

    Parameters
    ----------
    encoder
        Colours in [0, 1] -> features of its stages, the deepest last.
    transfers
        One for each of the last stages, the deepest last.
    decoder
        What they make -> colours, about [0, 1].
    """

    def __init__(self, encoder: nn.Module, transfers: Sequence[SCT], decoder: nn.Module, shape: Shape) -> None:
        super().__init__()
        self.encoder, self.decoder, self.shape = encoder, decoder, shape
        self.transfers = nn.ModuleList(transfers)

    def each_transfer(self) -> list[SCT]:
        """The transfers, the deepest last."""
        return cast(list[SCT], list(self.transfers))

    def features(self, picture: Tensor) -> list[Tensor]:
        """Of the stages that are transferred."""
        return self.encoder(picture)[-len(self.transfers) :]

    def codes(self, style: Tensor) -> list[StyleCode]:
        """What of style pictures [n, 3, h, w] is carried over."""
        return self.codes_of(self.features(style))

    def codes_of(self, features: Sequence[Tensor]) -> list[StyleCode]:
        """The same of a style's features."""
        return [transfer.code(found) for transfer, found in zip(self.each_transfer(), features, strict=True)]

    def paint(self, features: Sequence[Tensor], codes: Sequence[StyleCode], moments: Sequence[Moments]) -> Tensor:
        """Features of a picture, or of a part of one that has those moments as a whole -> colours, about [0, 1]."""
        parts = zip(self.transfers, features, codes, moments, strict=True)
        return self.decoder([transfer(found, code, whole) for transfer, found, code, whole in parts])

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Pictures [n, 3, H, W] in the styles of [n, 3, h, w]."""
        features = self.features(content)
        return self.paint(features, self.codes(style), [Moments.of(found) for found in features])


class _VGGDecoder(nn.Sequential):
    """Takes the one level as a list, as every decoder here does."""

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        (only,) = features
        return super().forward(only)


def full_network(mode: Mode) -> StyleNetwork:
    """The published one, at its published size: VGG-19 to relu4_1 for artistic, to relu3_1 for photo."""
    if mode == "artistic":
        encoder, decoder = VGGEncoder(4, vgg_layers()), _VGGDecoder(*decoder_layers())
        return StyleNetwork(encoder, [SCT((512, 256, 128), wide=2)], decoder, Shape(8, 96))
    encoder, decoder = VGGEncoder(3, vgg_layers()), _VGGDecoder(*decoder_layers()[FROM_RELU3:])
    return StyleNetwork(encoder, [SCT((256, 128), wide=1)], decoder, Shape(4, 40))


def light_network() -> StyleNetwork:
    """The embedded one, transferred at a quarter and an eighth of full size; a mode is a set of its weights."""
    transfers = [SCT((width, width), wide=1) for width in WIDTHS[-2:]]
    return StyleNetwork(LightEncoder(), transfers, LightDecoder(), Shape(8, 96))
