"""Tables of what sources quote: instruments, their prices, and what became of each answer."""

from sqlalchemy import Column, Index, Text, UniqueConstraint, text

from forecaster.ledger.columns import finite, key, need, one_of, ref, table
from forecaster.ledger.schema.words import HELD, ORIGINS, RESOLUTIONS
from forecaster.ledger.types import Flag, Moment, Real, Session, Whole

instrument = table(
    "instrument",
    key(),
    need("source", Text),
    need("symbol", Text),
    need("calendar", Text),
    Column("currency", Text),
    need("historical", Flag),
    need("attribution", Text),
    need("created_at", Moment),
    # The newest answer's first session, number of bars and their digest: what it said is stored, or
    # held. Who writes bars in another way than `store_quotes` empties it.
    Column("answer", Text),
    UniqueConstraint("source", "symbol"),
)

series = table(
    "series",
    key(),
    need("name", Text),
    ref("instrument_id", "instrument"),
    need("field", Text),
    need("paused", Flag),
    need("created_at", Moment),
    Column("backfilled_at", Moment),
    # Set when the name was given to another instrument or field; the history stays.
    Column("replaced_at", Moment),
    # The model version that the user holds; what it refers to refers to this table.
    ref("pinned_model_id", "model_version", nullable=True, later=True),
    UniqueConstraint("name", "instrument_id", "field"),
    Index(
        "uq_series_current_name",
        "name",
        unique=True,
        sqlite_where=text("replaced_at IS NULL"),
        postgresql_where=text("replaced_at IS NULL"),
    ),
)

bar = table(
    "bar",
    ref("instrument_id", "instrument", primary_key=True),
    Column("session", Session, primary_key=True),
    Column("revision", Whole, primary_key=True),
    Column("open", Real),
    Column("high", Real),
    Column("low", Real),
    need("close", Real),
    Column("volume", Real),
    need("first_seen_at", Moment),
    *finite("open", "high", "low", "close", "volume"),
    Index(
        "ix_bar_revised",
        "instrument_id",
        "first_seen_at",
        sqlite_where=text("revision > 1"),
        postgresql_where=text("revision > 1"),
    ),
)

# A revision without split and dividend takes back what was said before.
action = table(
    "action",
    ref("instrument_id", "instrument", primary_key=True),
    Column("session", Session, primary_key=True),
    Column("revision", Whole, primary_key=True),
    need("split", Real),
    need("dividend", Real),
    # Whether the source told of it, or its prices did.
    need("origin", Text),
    need("first_seen_at", Moment),
    *finite("split", "dividend"),
    one_of("origin", *ORIGINS),
)

# What a source said that is not believed. The same thing, said again, is seen again.
quarantine = table(
    "quarantine",
    key(),
    ref("instrument_id", "instrument"),
    Column("session", Session),
    need("what", Text),
    need("reason_code", Text),
    need("reason", Text),
    # What was said, as far as it is a finite number.
    Column("open", Real),
    Column("high", Real),
    Column("low", Real),
    Column("close", Real),
    Column("volume", Real),
    Column("split", Real),
    Column("dividend", Real),
    need("first_seen_at", Moment),
    need("last_seen_at", Moment),
    Column("resolved_at", Moment),
    Column("resolution", Text),
    *finite("open", "high", "low", "close", "volume", "split", "dividend"),
    one_of("what", *HELD),
    one_of("resolution", *RESOLUTIONS),
    Index("ix_quarantine_instrument_id", "instrument_id", "session"),
)

# What was noticed about prices that are used all the same.
alert = table(
    "alert",
    key(),
    ref("instrument_id", "instrument"),
    need("session", Session),
    need("code", Text),
    need("message", Text),
    need("raised_at", Moment),
    Index("ix_alert_instrument_id", "instrument_id", "raised_at"),
)

# Each time that a source was asked, or left alone, for an instrument that may be none.
pull = table(
    "pull",
    key(),
    need("source", Text),
    need("symbol", Text),
    need("pulled_at", Moment),
    # What the source said, and what is made of it.
    need("said", Text),
    need("outcome", Text),
    need("reason", Text),
    need("requests", Whole),
    need("new_bars", Whole),
    need("revised_bars", Whole),
    need("held_bars", Whole),
    # The source is to be left alone until then.
    Column("resumes_at", Moment),
    Index("ix_pull_symbol", "source", "symbol", "pulled_at"),
    Index("ix_pull_source", "source", "id"),
)
