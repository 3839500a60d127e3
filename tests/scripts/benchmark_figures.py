"""What the figures of a quick run of the benchmark must be."""

from __future__ import annotations

from typing import Any

from benchmarking.plan import QUICK


def check_crowd(figures: dict[str, Any]) -> None:
    """Check a crowd whose questions were all answered."""
    assert figures["questions"] == figures["answered_once"] == QUICK.crowd_conversations * QUICK.crowd_turns + 10
    assert figures["begun_out_of_turn"] == 0
    assert 0 < figures["hit_rate"]["all"] < figures["hit_rate"]["later_turns"] < 1
    assert figures["hit_rate"]["known"] > 0.9  # all but the last token of an answer that ended at its longest length
    assert 0 < figures["first_token"]["p50_seconds"] <= figures["first_token"]["worst_seconds"]
    assert figures["many_at_once"]["questions"] == 10


def check_discord(report: dict[str, Any]) -> None:
    """Check the crowds on Discord, of which everybody was answered or told why not, and those side by side."""
    crowds = report["discord"]
    assert [each["questions"] for each in crowds.values()] == [*QUICK.discord_channel, *QUICK.discord_crowds]
    for figures in crowds.values():
        assert figures["answered"] + figures["told"] == figures["questions"]
        assert figures["never_told"] == figures["half"] == figures["tracebacks"] == figures["refused_429"] == 0
        assert figures["lateness"]["last_text_worst_seconds"] >= figures["lateness"]["last_text_median_seconds"]
        assert figures["calls"]["send"] >= figures["questions"]
    _check_side_by_side(report["side_by_side"])


def check_returning(figures: dict[str, Any]) -> None:
    """Check that the disk cache was of use wherever it was on."""
    assert figures["disk_cache"]
    returned, many, streams = (figures[name] for name in ("after_kill", "many", "streams"))
    assert [each.get("failed") for each in (returned, many, streams)] == [None] * 3
    for side in ("with", "without"):
        assert 0 < returned[side]["median_seconds"] <= returned[side]["worst_seconds"]
        assert returned[side]["online_seconds"] > 0
    assert returned["with"]["on_disk_bytes"] > 0
    assert returned["with"]["tokens_from_disk"] > returned["without"]["tokens_from_disk"] == 0
    assert len(many["all_later_seconds"]) == QUICK.returning_conversations
    assert len(many["all_without_seconds"]) == QUICK.returning_without
    assert 0 < many["with"]["from_disk_share"] < 1
    assert 0 < many["with"]["later_written_bytes"] < many["with"]["fresh_written_bytes"]
    assert many["with"]["disk_used_bytes"] > QUICK.returning_conversations * many["with"]["later_written_bytes"]
    assert streams["written_bytes"] > 0
    assert streams["loading"]["from_disk_share"] > 0
    assert streams["loading"]["longest_pause_seconds"] > 0


def _check_side_by_side(figures: dict[str, Any]) -> None:
    """Check members of one channel who were all answered in both ways."""
    assert len(figures["rounds"]) == QUICK.beside_rounds
    for sides in figures["rounds"]:
        for side in sides.values():
            assert 0 < side["first_token_median"] <= side["first_token_worst"] < side["generated"]
            assert 0 < side["first_text_median"] <= side["first_text_worst"] <= side["settled"] + 1
    assert all(ratio > 0 for ratios in figures["ratios"].values() for ratio in ratios)
