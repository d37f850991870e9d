-- What forecasts are made of, the states that learn, skill and its verdict, what backtests found.
-- The views that promise columns keep them; decision_history and model_history have more at their
-- end.

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
CREATE VIEW skill AS
SELECT series, kind, horizon, n,
       1 - sum_abs_error / NULLIF(sum_baseline_abs_error, 0) AS skill_mae,
       1 - rmse / NULLIF(baseline_rmse, 0) AS skill_rmse,
       gain_t AS t,
       CASE WHEN n >= 40 AND gain_t > 1.64 THEN 'better than the last price'
            WHEN n >= 40 AND gain_t < -1.64 THEN 'worse than the last price'
            ELSE 'not better than the last price' END AS verdict
FROM current_tally
;
CREATE VIEW forecast_parts AS
SELECT f.id AS forecast_id, s.name AS series, f.kind, f.backtest_id, f.cutoff, f.horizon,
       f.model_id, f.baseline, f.mean AS forecast, f.unit, f.network_move, f.gate_weight,
       f.spread, f.spread_order, f.spread_reason, f.scale, f.head_scale, f.ewma_scale, f.panel_id,
       f.quantile80, f.quantile95, o.actual_move, o.eta
FROM forecast f
JOIN series s ON s.id = f.series_id
LEFT JOIN score o ON o.forecast_id = f.id
;
CREATE VIEW tracker_state AS
SELECT s.name AS series, t.backtest_id, t.horizon, t.level, t.quantile, t.coverage,
       t.coverage - t.level AS coverage_error, t.outcomes, t.last_cutoff
FROM tracker t
JOIN series s ON s.id = t.series_id
WHERE s.replaced_at IS NULL
;
CREATE VIEW gate_state AS
SELECT s.name AS series, g.backtest_id, g.head, g.horizon, g.weight, g.t, g.n,
       CASE WHEN g.head = 'mean' THEN (2 * g.gain - g.power) / NULLIF(g.size, 0) END AS skill,
       g.gain, g.power, g.noise, g.size, g.outcomes, g.last_cutoff
FROM gate g
JOIN series s ON s.id = g.series_id
WHERE s.replaced_at IS NULL
;
CREATE VIEW decision_history AS
SELECT d.id AS decision_id, d.run_id, r.kind, s.name AS series, r.session, d.verdict,
       d.reason_code, d.reason, d.model_id, d.age_sessions, d.allowed_age, d.fingerprint,
       d.model_fingerprint, d.intervals, d.decided_at, d.new_bars, d.revised_bars, d.skill,
       d.skill_t, d.spread_t, d.coverage_error80, d.coverage_error95, d.alarms
FROM decision d
JOIN run r ON r.id = d.run_id
JOIN series s ON s.id = d.series_id
;
-- A panel is a model of no series: its name is NULL. In use is what the next night finds.
CREATE VIEW model_history AS
SELECT m.id AS model_id, s.name AS series, m.run_id, m.backtest_id, m.cutoff, m.created_at,
       m.fingerprint, m.seed, m.bars, m.windows, m.epochs, m.best_epoch, m.train_loss,
       m.validation_loss, m.baseline_loss, m.seconds, m.sha256, m.settings, p.version,
       p.environment, m.restarts, m.status, m.incumbent_loss, m.data_sha256,
       CASE WHEN s.pinned_model_id = m.id THEN 1 ELSE 0 END AS pinned,
       CASE WHEN m.id = coalesce(s.pinned_model_id,
                                 (SELECT n.id FROM model_version n
                                  WHERE coalesce(n.series_id, 0) = coalesce(m.series_id, 0)
                                    AND n.backtest_id IS NULL AND n.status = 'accepted'
                                  ORDER BY n.cutoff DESC, n.id DESC LIMIT 1))
            THEN 1 ELSE 0 END AS in_use,
       length(m.parameters) AS bytes
FROM model_version m
LEFT JOIN series s ON s.id = m.series_id
JOIN program p ON p.id = m.program_id
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
CREATE VIEW backtest_result_history AS
SELECT r.backtest_id, coalesce(s.name, 'all') AS series, r.method, r.horizon, r.n,
       r.mae, r.rmse, r.mase, r.rel_mae, r.rel_rmse, r.pinball, r.crps, r.score80, r.score95,
       r.rel_score80, r.rel_score95, r.coverage80, r.coverage80_lo, r.coverage80_hi,
       r.coverage95, r.coverage95_lo, r.coverage95_hi, r.dm, r.dm_p, r.worst_quarter_rmse,
       r.worst_quarter80, r.training_seconds, r.inference_seconds
FROM backtest_result r
LEFT JOIN series s ON s.id = r.series_id
;
