"""Reads OpenMetrics from standard input with Debian's python3-prometheus-client, whose parser refuses what the standard
forbids: families that are not together, samples that come twice, a missing end. Prints the number of samples."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))
