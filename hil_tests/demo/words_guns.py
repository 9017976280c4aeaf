"""The words of the two-gun story, in English and Chinese; ``words.text`` finds them."""

from collections.abc import Mapping

GUN_TEXTS: Mapping[str, tuple[str, str]] = {
    "guns_title": ("pile-agent: two guns on the simulated bench", "pile-agent:模拟台架上的双枪充电"),
    "gun": ("gun {number}", "{number}号枪"),
    "vehicle_kind": ("vehicle", "车型"),
    "share": ("share", "功率分配"),
    "faults": ("faults", "故障"),
    "budget": ("budget", "功率预算"),
    "groups": ("module groups", "模块组"),
    "feeds": ("{group} → gun {gun}", "{group}组→{gun}号枪"),
    "feeds_none": ("{group} free", "{group}组空闲"),
    # What is being done.
    "starting_guns": (
        "starting the bench: two vehicles, two meters, two groups of modules, broker",
        "启动台架:两辆车、两块电表、两组功率模块、MQTT 服务器",
    ),
    "first_order": ("gun 1 is ordered to start and charges alone", "平台启动1号枪,单枪充电"),
    "second_order": ("gun 2 is ordered to start as well", "平台启动2号枪"),
    "both_orders": ("the platform orders the start of both guns", "平台下发两枪启动命令"),
    "lending": ("group B is lent to gun 1, gun 2 is free", "2号枪空闲,B组模块借给1号枪"),
    "together": ("both guns charge at once", "两枪同时充电"),
    "own_fault": ("the contacts of gun 2 get too hot, gun 1 goes on", "2号枪枪头过温,1号枪继续充电"),
    "cause_gone": ("the contacts of gun 2 are cool, the vehicle is plugged in again", "2号枪枪头已冷却,重新插枪"),
    "again": ("gun 2 charges again beside gun 1", "2号枪再次充电,两枪同时充电"),
    "emergency_stop": ("the emergency stop is pressed", "按下急停按钮"),
    "after_stop": ("emergency stop released and reset, both guns unplugged", "急停复位,两枪已拔枪"),
    # The summary.
    "guns_summary": ("The sessions", "充电记录"),
    "claims": ("What was observed on the bench and in the record", "台架实测与记录核对"),
    "guns_passed": ("Both guns: every claim was observed.", "双枪演示:各项均已验证。"),
    "guns_failed": ("NOT everything was observed:", "未全部通过:"),
    "no_power_report": ("the agent reports no division of power", "控制程序未上报功率分配"),
    # The claims.
    "claim_vehicles": ("vehicles of different kinds", "两车型号不同"),
    "claim_lent": ("group B lent to gun 1 while gun 2 is free", "2号枪空闲时B组借给1号枪"),
    "claim_given_back": ("group B given back, each gun has its group", "B组已归还,两枪各用一组"),
    "claim_together": ("both guns charge at once", "两枪同时充电"),
    "claim_budget": ("both together within the budget, each limited by it", "两枪合计不超过功率预算"),
    "claim_own_fault": ("fault of gun 2 opens its contactors", "2号枪故障断开本枪接触器"),
    "claim_goes_on": ("gun 1 goes on meanwhile", "1号枪期间持续充电"),
    "claim_gains": ("gun 1 gains the power that gun 2 leaves", "1号枪获得2号枪释放的功率"),
    "claim_again": ("gun 2 charges again beside gun 1", "2号枪恢复后两枪再次同时充电"),
    "claim_estop": ("emergency stop opens both guns", "急停断开两枪"),
    "claim_sessions": ("sessions and reasons by connector", "各枪记录及结束原因"),
    "claim_bills": ("bills agree with both meters", "账单与两块电表一致"),
    "claim_platform": ("platform has the same sessions", "平台收到相同记录"),
    "claim_differences": (
        "allocation contactors closed within 10 V, or both sides dead",
        "功率分配接触器闭合:压差合格或两侧无电",
    ),
    "claim_one_gun": ("groups joined to two guns at once", "模块组同时接入两枪的次数"),
}
