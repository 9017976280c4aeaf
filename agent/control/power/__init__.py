"""Power sharing of a pile 功率分配: the power budget, its division over the connectors, and the groups of power modules."""
