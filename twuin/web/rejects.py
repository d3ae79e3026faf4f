"""Why input was rejected, in plain words: what happened, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable

from ingest.reasons import Reason


def explain_rejected(code: str, gettext: Callable[[str], str]) -> tuple[str, str]:
    """A reason code of rejected input: its name, and what to do about it."""
    _ = gettext
    known = {
        Reason.UNKNOWN_TOPIC: (
            _("Unknown topic"),
            _("The device publishes under a topic that Twuin does not know. Check its topic setting."),
        ),
        Reason.WRONG_SITE: (
            _("Another site"),
            _("The topic names another site than the one watched here."),
        ),
        Reason.EMPTY: (_("Empty message"), _("The message holds no reading.")),
        Reason.TOO_LARGE: (
            _("Message too large"),
            _("The message is larger than Twuin takes. Let the device send smaller batches."),
        ),
        Reason.TOO_DEEP: (
            _("Nested too deep"),
            _("No message of a device is nested like this: it is broken, or meant to harm."),
        ),
        Reason.TOO_MANY_READINGS: (
            _("Too many readings"),
            _("The batch holds more readings than Twuin takes at once. Let the device split it."),
        ),
        Reason.BAD_UTF8: (
            _("Not text"),
            _("The bytes are no UTF-8 text. The device speaks another format, or the message was damaged."),
        ),
        Reason.BAD_JSON: (
            _("Broken JSON"),
            _("The message is not valid JSON: cut short, or put together wrongly by the device."),
        ),
        Reason.BAD_CBOR: (
            _("Broken CBOR"),
            _("The bytes are not valid CBOR: cut short, or another format than the topic says."),
        ),
        Reason.UNSUPPORTED: (
            _("Not supported"),
            _("The message asks for a newer version or an extension of its format that Twuin does not know."),
        ),
        Reason.BAD_NAME: (
            _("Name not allowed"),
            _("The reading has no name, or one with characters that its format does not allow."),
        ),
        Reason.WRONG_TYPE: (
            _("Wrong or missing field"),
            _("A field is missing, or is text where a number belongs. Compare it with the message format."),
        ),
        Reason.UNEQUAL_COLUMNS: (
            _("Times and values differ in number"),
            _("A series has more times than values or the other way round, so none can be matched."),
        ),
        Reason.UNKNOWN_SENSOR: (
            _("Unknown sensor"),
            _("The sensor is not in the site's list. Add it to sensors.csv, or correct the device."),
        ),
        Reason.WRONG_DEVICE: (
            _("Wrong device"),
            _("The sensor belongs to another device, by the site's list."),
        ),
        Reason.UNKNOWN_UNIT: (
            _("Unknown unit"),
            _("The unit does not measure this quantity: litres for a pressure, for example."),
        ),
        Reason.NOT_FINITE: (
            _("Not a number"),
            _("The value is empty, infinite or not a number. Often a sensor that is not connected."),
        ),
        Reason.NO_TIME: (_("No time"), _("The reading does not say when it was taken.")),
        Reason.NO_ZONE: (
            _("Time without zone"),
            _("The time has no zone, so the instant is unclear. Send +07:00 or Z with it."),
        ),
        Reason.BAD_TIME: (_("Unreadable time"), _("The time is no instant of any calendar.")),
        Reason.TIME_TOO_OLD: (
            _("Time too old"),
            _("The time lies before the year 2000: the device's clock was never set."),
        ),
        Reason.TIME_AHEAD: (
            _("Time in the future"),
            _("The time lies in the future: the device's clock is wrong."),
        ),
        Reason.BEFORE_COMMISSIONING: (
            _("Before the sensor was there"),
            _("The time lies before the day on which the sensor began to measure, by sensors.csv."),
        ),
    }
    try:
        return known[Reason(code)]
    except (KeyError, ValueError):
        return code, _("Twuin gives no explanation for this code.")
