-- model_history with `restarts` at its end; the other views stay.

DROP VIEW model_history
;
CREATE VIEW model_history AS
SELECT m.id AS model_id, s.name AS series, m.run_id, m.backtest_id, m.cutoff, m.created_at,
       m.fingerprint, m.seed, m.bars, m.windows, m.epochs, m.best_epoch, m.train_loss,
       m.validation_loss, m.baseline_loss, m.seconds, m.sha256, m.settings, p.version,
       p.environment, m.restarts
FROM model_version m
JOIN series s ON s.id = m.series_id
JOIN program p ON p.id = m.program_id
;
