from __future__ import annotations

import pytest
import torch

compiled = pytest.importorskip("salt_like.compiled", reason="torch before 2.4 has no operations of one's own")

from salt_like.grouping import partition  # noqa: E402 - after the skip
from salt_like.sets import Packed, self_attention  # noqa: E402


def ragged(jets: int, seed: int, buckets: int = 4):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 12, (jets,), generator=generator)
    groups = partition(counts, buckets)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    longest = tuple(max(1, int(counts[group].max())) if len(group) else 1 for group in groups)
    qkv = torch.randn(int(counts.sum()), 3, 2, 4, generator=generator)
    return qkv, offsets, groups, longest


@pytest.mark.parametrize("seed", range(3))
def test_is_the_attention_of_the_packed_layout(seed):
    qkv, offsets, groups, longest = ragged(20, seed)
    one, other = qkv.clone().requires_grad_(), qkv.clone().requires_grad_()
    expected = self_attention(one, Packed(offsets, len(qkv), longest, groups))
    found = compiled.attend(other, offsets, list(groups), list(longest))
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(expected)
    (expected * direction).sum().backward()
    (found * direction).sum().backward()
    torch.testing.assert_close(other.grad, one.grad)


def test_is_a_well_formed_operation():
    qkv, offsets, groups, longest = ragged(9, 5)
    arguments = (qkv.double().requires_grad_(), offsets, list(groups), list(longest))
    torch.library.opcheck(compiled.attend_and_keep, arguments)
    torch.autograd.gradcheck(lambda x: compiled.attend(x, *arguments[1:]), arguments[0])


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch.compile does it itself
def test_a_compiled_step_is_one_graph_for_any_jets():
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    def step(qkv, offsets, groups, longest):
        return self_attention(qkv, Packed(offsets, qkv.shape[0], longest, groups)).square().sum()

    torch._dynamo.reset()
    function = torch.compile(step, backend=backend, fullgraph=True, dynamic=True)
    for seed in range(8):
        batch = ragged(30 + seed, seed)
        torch.testing.assert_close(function(*batch), step(*batch))
    assert len(graphs) <= 2
    assert all("attend" in str(graph.graph) for graph in graphs)
    assert all("bmm" not in str(graph.graph) for graph in graphs)


def test_blocks_are_made_anew_for_other_jets_of_the_same_number_and_size():
    """The operation remembers the blocks of the layer before; jets of the same lengths in another order are others."""
    qkv, offsets, groups, longest = ragged(12, 3, buckets=1)
    for turn in range(3):
        counts = offsets.diff().roll(turn)
        moved = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        expected = self_attention(qkv, Packed(moved, len(qkv), longest, groups))
        offsets.copy_(moved)  # as a compiled graph does, which writes each batch to the same memory
        torch.testing.assert_close(compiled.attend(qkv, offsets, list(groups), list(longest)), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_the_rounded_result(dtype):
    qkv, offsets, groups, longest = ragged(40, 1)
    layout = Packed(offsets, len(qkv), longest, groups)
    full, half = qkv.clone().requires_grad_(), qkv.to(dtype).requires_grad_()
    for one in (full, half):
        self_attention(one, layout).float().square().sum().backward()
    assert half.grad is not None
    assert half.grad.dtype == dtype
    torch.testing.assert_close(half.grad.float(), full.grad, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_rows_of_one_index_are_added_up(shape):
    index = torch.tensor([2, 0, 2, 2, 4, 0])
    values = torch.randn(6, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    torch.library.opcheck(compiled.add_rows, (values, index, 5))
    torch.autograd.gradcheck(lambda x: compiled.add_rows(x, index, 5), values)
    expected = torch.stack([values[index == number].sum(0) for number in range(5)])
    torch.testing.assert_close(compiled.add_rows(values, index, 5), expected)


def test_rows_are_taken_and_their_gradients_added_up():
    index = torch.tensor([2, 0, 2, 2, 4, 0])
    values = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.equal(compiled.take_rows(values, index), values[index])
    torch.autograd.gradcheck(lambda x: compiled.take_rows(x, index), values)
    torch.autograd.gradgradcheck(lambda x: compiled.take_rows(x, index).square(), values)


def test_a_permutation_is_inverted():
    permutation = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    torch.library.opcheck(compiled.invert, (permutation,))
    assert torch.equal(permutation[compiled.invert(permutation)], torch.arange(20))
