"""Machines for tests of pictures and commands, as JGF documents."""


def racks(racks, per_rack, cores, gpus=1, **flags):
    """A cluster of racks of nodes with cores and GPUs; `flags` has metadata for vertices by path."""
    nodes, edges = [], []

    def add(kind, number, path, rank, parent):
        path = f"{path}/{kind}{number}"
        data = {"type": kind, "id": number, "rank": rank, "paths": {"containment": path}} | flags.get(path, {})
        nodes.append({"id": str(len(nodes)), "metadata": data})
        if parent is not None:
            edges.append({"source": str(parent), "target": str(len(nodes) - 1)})
        return len(nodes) - 1, path

    top, top_path = add("cluster", 0, "", -1, None)
    for r in range(racks):
        rack, rack_path = add("rack", r, top_path, -1, top)
        for n in range(r * per_rack, (r + 1) * per_rack):
            node, node_path = add("node", n, rack_path, n, rack)
            for kind, count in (("core", cores), ("gpu", gpus)):
                for k in range(count):
                    add(kind, k, node_path, n, node)
    return {"graph": {"nodes": nodes, "edges": edges}}


def r_of(ranks, hosts, **children):
    """An R of version 1 that has these children on these ranks."""
    row = {"rank": ranks, "children": children}
    times = {"starttime": 0, "expiration": 0}
    return {"version": 1, "execution": {"R_lite": [row], "nodelist": [hosts], **times}}
