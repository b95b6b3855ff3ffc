"""The resource graph as a pool, `pool = "graph"`: who holds what, what is up and what is promised, over the C core.

pool        GraphPool: jobs and the rules of the contract      request     what a job asks for, once parsed
plan        promises and time                                  machine     the graph that a site configured, and its inventory
allocation  what a job is given
"""

from fluxplug_pool_graph.pool.pool import GraphPool

__all__ = ["GraphPool"]
