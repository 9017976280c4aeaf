"""Power sharing of a pile 功率分配: the power budget, its division over connectors, and groups of power modules."""
