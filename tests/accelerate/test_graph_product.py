"""Graph products in both orders compared with einsum."""

import pytest
import torch

from pyg_sybio.accelerate.graph_product import gathers_first, graph_product

M = 15


@pytest.mark.parametrize("terms", [1, 3])
@pytest.mark.parametrize("own_graphs", [False, True])
def test_graph_product_equals_einsum(terms: int, own_graphs: bool) -> None:
    x = torch.randn(2, 4, M, 3, dtype=torch.float64)
    adj = torch.randn(2, terms, M, M, dtype=torch.float64)
    weight = torch.randn(5, terms, 3, dtype=torch.float64)
    if own_graphs:
        expected = torch.einsum("gkij,gtjd,okd->gtio", adj, x, weight)
        out = graph_product(x, adj, weight.flatten(1))
    else:
        expected = torch.einsum("kij,gtjd,okd->gtio", adj[0], x, weight)
        out = graph_product(x, adj[0], weight.flatten(1))
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("channels", [1, 64])
@pytest.mark.parametrize("shared", [True, False])
def test_graph_product_is_the_sum_over_terms_for_narrow_and_wide_features(
    channels: int, shared: bool
) -> None:
    # With one feature, the frames are concatenated for gathering; with 64 features, the frames stay separate.
    x = torch.randn(2, 5, 7, channels, dtype=torch.float64)
    adj = torch.randn(*(() if shared else (2,)), 3, 7, 7, dtype=torch.float64)
    weight = torch.randn(4, 3 * channels, dtype=torch.float64)
    each = adj.expand(2, 3, 7, 7)
    expected = torch.einsum("gkij,gtjd,okd->gtio", each, x, weight.view(4, 3, channels))
    torch.testing.assert_close(graph_product(x, adj, weight), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("receivers", "senders", "channels"), [(9, 3, 4), (3, 9, 4), (7, 7, 8), (7, 7, 2)])
def test_both_orders_of_a_graph_product_give_the_same_result(
    receivers: int, senders: int, channels: int, bias: bool
) -> None:
    x = torch.randn(2, 5, senders, channels, dtype=torch.float64)
    adj = torch.randn(2, 3, receivers, senders, dtype=torch.float64)
    weight = torch.randn(4, 3, channels, dtype=torch.float64)
    shift = torch.randn(4, dtype=torch.float64) if bias else None
    expected = torch.einsum("gkij,gtjd,okd->gtio", adj, x, weight) + (0 if shift is None else shift)
    out = graph_product(x, adj, weight.flatten(1), shift)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sizes", [(9, 3, 4, 4), (3, 9, 4, 4), (7, 7, 8, 2), (7, 7, 2, 8), (10, 25, 64, 128)])
def test_the_cheaper_order_of_products_is_used(sizes: tuple[int, int, int, int]) -> None:
    receivers, senders, channels_in, channels_out = sizes
    gathered_first = receivers * senders * channels_in + receivers * channels_in * channels_out
    transformed_first = senders * channels_in * channels_out + receivers * senders * channels_out
    assert gathers_first(*sizes) == (gathered_first <= transformed_first)
