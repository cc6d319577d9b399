"""Reports: one self-contained page about an instance, or about many plans."""

from planner.reporting.html.page import report, report_of_plans

__all__ = ["report", "report_of_plans"]
