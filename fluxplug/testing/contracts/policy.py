"""x"""


class PolicyContract:
    pass
