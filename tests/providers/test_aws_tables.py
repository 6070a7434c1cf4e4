"""What is known of EC2 without asking, compared with what EC2 says of itself."""

from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from batchio.core.plan import Offer
from batchio.providers.aws import choice, here, known, prices
from batchio.providers.aws.kinds import kind_of


def told() -> dict[str, Any]:
    """What DescribeInstanceTypes answered when moto was made."""
    found = find_spec("moto")
    assert found is not None
    [folder] = found.submodule_search_locations or []
    packed = (Path(folder) / "ec2/resources/instance_types.json.gz").read_bytes()
    types: dict[str, Any] = json.loads(gzip.decompress(packed))
    return types


def test_every_type_of_the_table_is_as_ec2_describes_it() -> None:
    types = told()

    assert {name: kind_of(types[name]) for name in known.kinds()} == known.kinds()


def test_every_size_of_the_families_of_the_table_is_known() -> None:
    families = {kind.family for kind in known.kinds().values() if kind.steady and not kind.gpus}
    there = {name for name in told() if name.partition(".")[0] in families}

    assert {name for name in there if "metal" not in name} <= known.kinds().keys()


def test_every_known_type_has_a_price_where_prices_are_those_of_virginia() -> None:
    assert all(
        prices.on_demand(kind.name, kind.cpus, region)
        for kind in known.kinds().values()
        for region in ("us-east-1", "us-east-2", "us-west-2")
    )


@pytest.mark.parametrize(
    ("names", "alone"),
    [
        (["m7i.large", "c8g.xlarge", "im4gn.large"], True),
        (["m7i.large", "g5.xlarge"], False),
        (["x2gd.large"], False),
        (["trn1.2xlarge"], False),
    ],
)
def test_only_an_offer_whose_nodes_all_count_against_one_known_quota_is_bound_by_it(
    names: list[str], alone: bool
) -> None:
    pools = [[name, "us-east-1a", "subnet-1"] for name in names]
    offer = Offer("us-east-1/on-demand", quota="L-1216C47A", detail={"pools": pools})

    assert choice.counts_alone(offer) is alone


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it, and no variable of AWS."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*here._VARIABLES, "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".aws").mkdir()
    return tmp_path / ".aws"


def test_credentials_are_seen_without_the_sdk(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = here.has_credentials()
    (alone / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile work]\nsso_session = corp\nregion = eu-north-1\n"
    )
    only_a_region = here.has_credentials(), here.usual_region()
    monkeypatch.setenv("AWS_PROFILE", "work")
    profile = here.has_credentials(), here.usual_region()

    assert (nothing, only_a_region) == (False, (False, "eu-west-1"))
    assert profile == (True, "eu-north-1")


def test_a_file_of_keys_is_credentials_and_a_broken_one_is_none(alone: Path) -> None:
    (alone / "credentials").write_text("[default]\naws_access_key_id = x\n")
    there = here.has_credentials()
    (alone / "credentials").write_bytes(b"[default\n\xff")

    assert (there, here.has_credentials()) == (True, False)
