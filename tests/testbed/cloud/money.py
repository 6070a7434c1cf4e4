"""What the cloud says of money: prices, spot prices and quotas, which moto lacks or makes up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.testbed.cloud.front import Cloud

Answer = tuple[int, dict[str, str], bytes]

PAGE = 2
"""Products of one page."""

_JSON = {"Content-Type": "application/x-amz-json-1.1"}


def answer(cloud: Cloud, action: str, asked: Mapping[str, str], body: bytes) -> Answer | None:
    """The answer to an action about money; None for any other."""
    if action == "GetProducts":
        return 200, _JSON, json.dumps(_products(cloud, json.loads(body))).encode()
    if action == "GetServiceQuota":
        return _quota(cloud, json.loads(body)["QuotaCode"])
    if action == "DescribeSpotPriceHistory" and cloud.spot_rates:
        return 200, {"Content-Type": "text/xml"}, _spot(cloud, asked)
    return None


def _products(cloud: Cloud, asked: Mapping[str, Any]) -> dict[str, Any]:
    fields = {one["Field"]: one["Value"] for one in asked["Filters"]}
    assert {"capacitystatus", "preInstalledSw", "tenancy", "operatingSystem"} <= fields.keys()
    start = int(asked.get("NextToken") or 0)
    names = sorted(cloud.rates)[start : start + PAGE]
    more = {"NextToken": str(start + PAGE)} if start + PAGE < len(cloud.rates) else {}
    return {
        "FormatVersion": "aws_v1",
        "PriceList": [_product(n, cloud.rates[n]) for n in names],
        **more,
    }


def _product(name: str, rate: float) -> str:
    part = {"unit": "Hrs", "pricePerUnit": {"USD": f"{rate:.10f}"}}
    terms = {"OnDemand": {"SKU.JRT": {"priceDimensions": {"SKU.JRT.6YS": part}}}}
    return json.dumps({"product": {"attributes": {"instanceType": name}}, "terms": terms})


def _quota(cloud: Cloud, code: str) -> Answer:
    if code not in cloud.quotas:
        return 400, _JSON, json.dumps({"__type": "NoSuchResourceException"}).encode()
    quota = {"QuotaCode": code, "QuotaName": f"quota {code}", "Value": cloud.quotas[code]}
    return 200, _JSON, json.dumps({"Quota": quota}).encode()


def _spot(cloud: Cloud, asked: Mapping[str, str]) -> bytes:
    wanted = {value for name, value in asked.items() if name.startswith("InstanceType.")}
    items = "".join(
        f"<item><instanceType>{escape(name)}</instanceType><availabilityZone>{zone}"
        f"</availabilityZone><spotPrice>{rate}</spotPrice></item>"
        for (name, zone), rate in cloud.spot_rates.items()
        if name in wanted
    )
    return (
        '<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>1</requestId><spotPriceHistorySet>{items}</spotPriceHistorySet>"
        "</DescribeSpotPriceHistoryResponse>"
    ).encode()
