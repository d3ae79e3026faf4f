"""Why a message, a line of a file or a single reading was not stored."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of rejected input. ``docs/mqtt.md`` lists what each one means to who sent it."""

    # the message as a whole
    UNKNOWN_TOPIC = "unknown_topic"  # under twuin/, but not a topic of the layout
    WRONG_SITE = "wrong_site"  # a topic of another site
    EMPTY = "empty"  # no bytes, or a batch without readings
    TOO_LARGE = "too_large"  # more bytes than allowed
    TOO_DEEP = "too_deep"  # nested deeper than any message of ours
    TOO_MANY_READINGS = "too_many_readings"
    BAD_UTF8 = "bad_utf8"
    BAD_JSON = "bad_json"
    BAD_CBOR = "bad_cbor"
    BAD_PROTOBUF = "bad_protobuf"
    UNDECODED = "undecoded"  # bytes of an uplink that nothing says how to read
    UNSUPPORTED = "unsupported"  # what the format says must not be used by who does not know it
    WRONG_TYPE = "wrong_type"  # a field is missing, or has a type or value that it may not have
    UNEQUAL_COLUMNS = "unequal_columns"  # times and values of a series differ in number
    UNKNOWN_DEVICE = "unknown_device"  # a status of a device to which no sensor of the site belongs
    DECODER_FAILED = "decoder_failed"  # our own mistake: kept, so that it can be read again once mended
    # one reading
    BAD_NAME = "bad_name"  # none, or one that the format does not allow
    NO_BIRTH = "no_birth"  # what a number stands for was said in a message that we did not hear
    UNKNOWN_SENSOR = "unknown_sensor"
    WRONG_DEVICE = "wrong_device"  # the sensor belongs to another device
    UNKNOWN_UNIT = "unknown_unit"  # no unit of the quantity that the sensor measures
    NOT_FINITE = "not_finite"  # NaN, infinity, or null
    NO_TIME = "no_time"
    NO_ZONE = "no_zone"  # a local time without a zone
    BAD_TIME = "bad_time"  # no instant at all
    TIME_TOO_OLD = "time_too_old"  # before the year 2000
    TIME_AHEAD = "time_ahead"  # in the future
    BEFORE_COMMISSIONING = "before_commissioning"  # before its sensor began to measure, by the site folder
