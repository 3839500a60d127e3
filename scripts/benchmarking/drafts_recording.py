"""What a model says next, recorded beforehand and off the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarking.drafts_backend import Prompt, SteppedEngine
from benchmarking.drafts_oracle import Oracle

_COMPANION_SPARE = 8


class Recording:
    """Records a model's greedy answers without drafts, for the oracle to know.

    OpenVINO rounds a step of one row otherwise than one of several, and where two tokens are nearly equal the likeliest
    may change. So answers are recorded beside another one, in steps of several rows as those that check drafts, and
    where an answer departs from its recording all the same, it is recorded anew from there.

    Args:
        engine: without drafts.

    Attributes:
        departures: how often an answer departed from its recording.
    """

    def __init__(self, engine: SteppedEngine) -> None:
        self.departures = 0
        self._engine = engine
        self._known: dict[tuple[Prompt, tuple[int, ...], int], list[int]] = {}

    async def answer(self, prompt: Prompt, length: int, said: Sequence[int] = ()) -> list[int]:
        """Return the answer of this many tokens that begins with what was said.

        Raises:
            MeasureError: the engine failed.
        """
        key = (prompt, tuple(said), length)
        if key not in self._known:
            self._known[key] = [*said, *await self._record(prompt, length - len(said), said)]
        return self._known[key]

    async def follow(
        self, engine: SteppedEngine, oracle: Oracle, requests: Mapping[int, Prompt], length: int
    ) -> None:
        """Tell the oracle what the answers of another engine go on with.

        Args:
            requests: the prompts by request id; all their answers run.
            length: of each whole answer.
        """
        for request_id, prompt in requests.items():
            said = engine.answer(request_id)
            expected = oracle.expected(request_id)
            if expected is None:
                oracle.expect(request_id, await self.answer(prompt, length))
            elif oracle.may_be_right and expected[: len(said)] != said:
                self.departures += 1
                oracle.expect(request_id, await self.answer(prompt, length, said))

    async def _record(self, prompt: Prompt, new_tokens: int, said: Sequence[int]) -> list[int]:
        engine = self._engine
        reads = engine.add(prompt, 1, said)  # alone, because a prompt is read slowly beside an answer
        while reads in engine.running:
            await engine.step()
        companion = engine.add(prompt[:1], new_tokens + _COMPANION_SPARE)
        answer = engine.add(prompt, new_tokens, said)
        while answer in engine.running:
            await engine.step()
        engine.cancel(companion)
        return engine.answer(answer)
