"""The search for traces: whether any file that a crawl wrote holds something of a flagged body.

>>> needles = Needles({"photo": flagged_bytes}, harmless=[other_bytes])
>>> find_traces([cache_folder, job_folder, log_file], needles)
[]
"""

from support.traces.needles import Needles
from support.traces.search import Trace, find_traces, traces_in

__all__ = ["Needles", "Trace", "find_traces", "traces_in"]
