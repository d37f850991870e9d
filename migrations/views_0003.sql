-- What was pulled, held and noticed; the views of the tables that were rebuilt are made again.

CREATE VIEW decision_history AS
SELECT d.id AS decision_id, d.run_id, r.kind, s.name AS series, r.session, d.verdict,
       d.reason_code, d.reason, d.model_id, d.age_sessions, d.allowed_age, d.fingerprint,
       d.model_fingerprint, d.intervals, d.decided_at
FROM decision d
JOIN run r ON r.id = d.run_id
JOIN series s ON s.id = d.series_id
;
CREATE VIEW run_history AS
SELECT r.id AS run_id, r.kind, r.backtest_id, r.calendar, r.session, r.state, r.started_at,
       r.finished_at, r.seconds,
       (SELECT count(*) FROM run_series o WHERE o.run_id = r.id) AS series,
       (SELECT count(*) FROM run_series o WHERE o.run_id = r.id AND o.status = 'done') AS done,
       (SELECT count(*) FROM run_series o WHERE o.run_id = r.id AND o.status = 'fallback') AS fallback,
       (SELECT count(*) FROM run_series o WHERE o.run_id = r.id AND o.status = 'deferred') AS deferred,
       (SELECT count(*) FROM run_series o WHERE o.run_id = r.id AND o.status = 'failed') AS failed,
       (SELECT count(*) FROM forecast f WHERE f.run_id = r.id) AS forecasts
FROM run r
;
CREATE VIEW series_history AS
SELECT o.run_id, r.kind, r.session, s.name AS series, o.status, o.reason_code, o.reason,
       o.stored_at, p.version, p.environment
FROM run_series o
JOIN run r ON r.id = o.run_id
JOIN program p ON p.id = o.program_id
JOIN series s ON s.id = o.series_id
;
CREATE VIEW action_history AS
SELECT i.source, i.symbol, a.session, a.revision, a.split, a.dividend, a.origin, a.first_seen_at
FROM action a
JOIN instrument i ON i.id = a.instrument_id
;
CREATE VIEW quarantine_history AS
SELECT i.source, i.symbol, q.session, q.what, q.reason_code, q.reason, q.open, q.high, q.low,
       q.close, q.volume, q.split, q.dividend, q.first_seen_at, q.last_seen_at, q.resolved_at,
       q.resolution
FROM quarantine q
JOIN instrument i ON i.id = q.instrument_id
;
CREATE VIEW alert_history AS
SELECT i.source, i.symbol, a.session, a.code, a.message, a.raised_at
FROM alert a
JOIN instrument i ON i.id = a.instrument_id
;
CREATE VIEW pull_history AS
SELECT p.id AS pull_id, p.source, p.symbol, p.pulled_at, p.outcome, p.reason, p.requests,
       p.new_bars, p.revised_bars, p.held_bars, p.resumes_at
FROM pull p
;
CREATE VIEW forecast_inputs AS
SELECT f.id AS forecast_id, s.name AS series, f.kind, f.cutoff, f.horizon, f.basis, f.carried,
       f.scale, f.quantile80, f.quantile95
FROM forecast f
JOIN series s ON s.id = f.series_id
;
