"""A compiled step of the networks of pairs is the eager one, and gives torch's compiler no index to write at."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from layouts import COUNTS, kinematics, make_tokens, randomise
from torch import nn

from salt_like.encoders import EdgeAttention, ParticleNet, ParticleTransformer
from salt_like.nn import ClassAttentionPooling, MeanPooling
from salt_like.sets import Packed, Tokens

pytest.importorskip("salt_like.compiled", reason="torch before 2.4 has no operations of one's own")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the compiler
NETWORKS = {
    "particlenet": lambda: [ParticleNet(8, 3, ((6,), (5,)), fusion=6), MeanPooling(6)],
    "part": lambda: [ParticleTransformer(8, None, (5,), 1, 2, 2.0, dropout=0.0), ClassAttentionPooling(8, 1, 2)],
    "edges": lambda: [EdgeAttention(8, None, 4, 2, 2), MeanPooling(8)],
}


def loss(network, tokens):
    old = tokens.layout
    layout = Packed(old.offsets, old.total, old.longest, old.buckets)  # which remembers nothing of another step
    encoder, pooling = network
    return pooling(encoder(Tokens(tokens.values, layout, tokens.parts, tokens.columns))).square().sum()


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_as_eager(name):
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func
    from torch._inductor.decomposition import select_decomp_table

    seen: Counter[str] = Counter()

    def collect(graph, _):
        seen.update(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return make_boxed_func(graph.forward)

    backend = aot_autograd(fw_compiler=collect, bw_compiler=collect, decompositions=select_decomp_table())
    x = torch.randn(sum(COUNTS), 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tokens = make_tokens("buckets", {"tracks": (x, torch.tensor(COUNTS))}, kinematics)
    eager = randomise(nn.ModuleList(NETWORKS[name]()))
    compiled = copy.deepcopy(eager)
    torch._dynamo.reset()
    expected, found = loss(eager, tokens), torch.compile(loss, backend=backend, fullgraph=True)(compiled, tokens)
    torch.testing.assert_close(found, expected)
    expected.backward(retain_graph=True)
    found.backward()
    for one, other in zip(compiled.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4)
    for one, other in zip(compiled.buffers(), eager.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    writing = ("index_add", "index_copy", "index_put", "scatter_add", "embedding_dense_backward")
    assert [one for one in seen if any(word in one for word in writing)] == []
