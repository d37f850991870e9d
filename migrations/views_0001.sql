-- The API for people who query the history. One text for SQLite and PostgreSQL; statements end
-- at a line that holds only a semicolon.

CREATE VIEW forecast_history AS
SELECT f.id AS forecast_id, f.run_id, f.kind, s.name AS series, i.source, i.symbol, s.field,
       f.cutoff, f.horizon, f.target_session, f.issued_at, f.model_id, f.status,
       f.mean AS forecast, f.lo80, f.hi80, f.lo95, f.hi95, f.baseline,
       o.actual, o.error, o.abs_error, o.baseline_abs_error, o.inside80, o.inside95, o.scored_at
FROM forecast f
JOIN series s ON s.id = f.series_id
JOIN instrument i ON i.id = s.instrument_id
LEFT JOIN score o ON o.forecast_id = f.id
;
-- CROSS JOIN makes SQLite begin with the series; it would rather read through all forecasts.
CREATE VIEW latest_forecast AS
SELECT f.id AS forecast_id, f.run_id, f.kind, s.name AS series, i.source, i.symbol, s.field,
       f.cutoff, f.horizon, f.target_session, f.issued_at, f.model_id, f.status,
       f.mean AS forecast, f.lo80, f.hi80, f.lo95, f.hi95, f.baseline
FROM series s
JOIN instrument i ON i.id = s.instrument_id
CROSS JOIN forecast f
WHERE s.replaced_at IS NULL AND f.series_id = s.id AND f.kind = 'live'
  AND coalesce(f.backtest_id, 0) = 0
  AND f.cutoff = (SELECT max(n.cutoff) FROM forecast n
                  WHERE n.series_id = s.id AND n.kind = 'live' AND coalesce(n.backtest_id, 0) = 0)
;
-- Of a series' backtests the newest finished one counts.
CREATE VIEW current_tally AS
SELECT t.*, s.name AS series
FROM tally t
JOIN series s ON s.id = t.series_id
WHERE s.replaced_at IS NULL
  AND (t.kind <> 'backtest'
       OR t.backtest_id = (SELECT max(n.backtest_id) FROM tally n
                           JOIN backtest b ON b.id = n.backtest_id
                           WHERE n.series_id = t.series_id AND b.finished_at IS NOT NULL))
;
CREATE VIEW accuracy AS
SELECT series, kind, horizon, n,
       sum_abs_error / NULLIF(n, 0) AS mae,
       rmse,
       sum_baseline_abs_error / NULLIF(n, 0) AS baseline_mae,
       baseline_rmse,
       1 - sum_abs_error / NULLIF(sum_baseline_abs_error, 0) AS skill_mae,
       1 - rmse / NULLIF(baseline_rmse, 0) AS skill_rmse,
       sum_error / NULLIF(n, 0) AS bias
FROM current_tally
;
CREATE VIEW calibration AS
SELECT series, kind, horizon, CAST(0.80 AS DOUBLE PRECISION) AS level, n, covered80 AS covered,
       CAST(covered80 AS DOUBLE PRECISION) / NULLIF(n, 0) AS coverage,
       sum_width80 / NULLIF(n, 0) AS mean_width
FROM current_tally
UNION ALL
SELECT series, kind, horizon, CAST(0.95 AS DOUBLE PRECISION), n, covered95,
       CAST(covered95 AS DOUBLE PRECISION) / NULLIF(n, 0),
       sum_width95 / NULLIF(n, 0)
FROM current_tally
;
CREATE VIEW decision_history AS
SELECT d.id AS decision_id, d.run_id, r.kind, s.name AS series, r.session, d.verdict,
       d.reason_code, d.reason, d.model_id, d.age_sessions, d.allowed_age, d.fingerprint,
       d.model_fingerprint, d.intervals, d.decided_at
FROM decision d
JOIN run r ON r.id = d.run_id
JOIN series s ON s.id = d.series_id
;
CREATE VIEW model_history AS
SELECT m.id AS model_id, s.name AS series, m.run_id, m.backtest_id, m.cutoff, m.created_at,
       m.fingerprint, m.seed, m.bars, m.windows, m.epochs, m.best_epoch, m.train_loss,
       m.validation_loss, m.baseline_loss, m.seconds, m.sha256, m.settings, p.version,
       p.environment
FROM model_version m
JOIN series s ON s.id = m.series_id
JOIN program p ON p.id = m.program_id
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
CREATE VIEW bar_history AS
SELECT i.source, i.symbol, b.session, b.revision, b.open, b.high, b.low, b.close, b.volume,
       b.first_seen_at
FROM bar b
JOIN instrument i ON i.id = b.instrument_id
;
CREATE VIEW forecast_revision AS
SELECT series, kind, target_session, cutoff, horizon, forecast, previous_forecast,
       forecast - previous_forecast AS revision
FROM (SELECT s.name AS series, f.kind, f.target_session, f.cutoff, f.horizon,
             f.mean AS forecast,
             lag(f.mean) OVER (PARTITION BY f.series_id, f.kind, f.target_session
                               ORDER BY f.cutoff) AS previous_forecast
      FROM forecast f
      JOIN series s ON s.id = f.series_id
      WHERE f.kind <> 'backtest') moved
;
CREATE VIEW backtest_accuracy AS
SELECT t.backtest_id, s.name AS series, t.horizon, t.n,
       t.sum_abs_error / NULLIF(t.n, 0) AS mae,
       t.rmse,
       t.sum_baseline_abs_error / NULLIF(t.n, 0) AS baseline_mae,
       t.baseline_rmse,
       t.sum_abs_error / NULLIF(t.sum_baseline_abs_error, 0) AS relative_mae,
       t.rmse / NULLIF(t.baseline_rmse, 0) AS relative_rmse,
       CAST(t.covered80 AS DOUBLE PRECISION) / NULLIF(t.n, 0) AS coverage80,
       CAST(t.covered95 AS DOUBLE PRECISION) / NULLIF(t.n, 0) AS coverage95,
       (SELECT count(*) FROM model_version m
        WHERE m.series_id = t.series_id AND m.backtest_id = t.backtest_id) AS trainings,
       (SELECT sum(m.seconds) FROM model_version m
        WHERE m.series_id = t.series_id AND m.backtest_id = t.backtest_id) AS training_seconds
FROM tally t
JOIN series s ON s.id = t.series_id
WHERE t.kind = 'backtest'
;
