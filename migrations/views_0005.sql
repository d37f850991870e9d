-- What is known of a run's schedule stands behind what was.

CREATE VIEW decision_history AS
SELECT d.id AS decision_id, d.run_id, r.kind, s.name AS series, r.session, d.verdict,
       d.reason_code, d.reason, d.model_id, d.age_sessions, d.allowed_age, d.fingerprint,
       d.model_fingerprint, d.intervals, d.decided_at, d.new_bars, d.revised_bars, d.skill,
       d.skill_t, d.spread_t, d.coverage_error80, d.coverage_error95, d.alarms
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
       (SELECT count(*) FROM forecast f WHERE f.run_id = r.id) AS forecasts,
       r.due_at, r.late, r.attempts, r.next_attempt_at, r.reason_code, r.reason
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
