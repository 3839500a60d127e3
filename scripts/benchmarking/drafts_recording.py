"""What a model says next, recorded beforehand and off the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarking.drafts_backend import Prompt, SteppedEngine
from benchmarking.drafts_oracle import Oracle

Beginning = tuple[Prompt, tuple[int, ...]]
"""A prompt, and what was said of its answer."""

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
        self._known: dict[tuple[Beginning, int], list[int]] = {}

    async def record(self, beginnings: Sequence[Beginning], length: int) -> None:
        """Record answers of this many tokens, together.

        Raises:
            MeasureError: the engine failed.
        """
        missing = [each for each in dict.fromkeys(beginnings) if (each, length) not in self._known]
        if not missing:
            return
        engine = self._engine
        for prompt, said in missing:  # alone, because a prompt is read slowly beside an answer
            await self._run({engine.add(prompt, 1, said)})
        companion = engine.add(missing[0][0][:1], length + _COMPANION_SPARE)
        answers = {each: engine.add(each[0], length - len(each[1]), each[1]) for each in missing}
        await self._run(set(answers.values()))
        engine.cancel(companion)
        for each, request_id in answers.items():
            self._known[each, length] = [*each[1], *engine.answer(request_id)]

    async def follow(self, engine: SteppedEngine, oracle: Oracle, requests: Mapping[int, Prompt], length: int) -> None:
        """Tell the oracle what the answers of another engine go on with.

        Args:
            requests: the prompts by request id; all their answers run.
            length: of each whole answer.
        """
        beginnings: dict[int, Beginning] = {}
        for request_id, prompt in requests.items():
            said, expected = engine.answer(request_id), oracle.expected(request_id)
            if expected is None:
                beginnings[request_id] = prompt, ()
            elif oracle.may_be_right and expected[: len(said)] != said:
                self.departures += 1
                beginnings[request_id] = prompt, tuple(said)
        await self.record(list(beginnings.values()), length)
        for request_id, beginning in beginnings.items():
            oracle.expect(request_id, self._known[beginning, length])

    async def _run(self, requests: set[int]) -> None:
        while requests & self._engine.running:
            await self._engine.step()
