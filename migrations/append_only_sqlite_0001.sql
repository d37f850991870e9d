-- The database itself refuses to change or delete a forecast.

CREATE TRIGGER forecast_no_update BEFORE UPDATE ON forecast
BEGIN SELECT RAISE(ABORT, 'forecast is append-only'); END
;
CREATE TRIGGER forecast_no_delete BEFORE DELETE ON forecast
BEGIN SELECT RAISE(ABORT, 'forecast is append-only'); END
;
-- REPLACE takes the old row away without the trigger above.
CREATE TRIGGER forecast_no_replace BEFORE INSERT ON forecast
WHEN EXISTS (SELECT 1 FROM forecast f
             WHERE f.id = NEW.id
                OR (f.series_id = NEW.series_id AND f.kind = NEW.kind
                    AND coalesce(f.backtest_id, 0) = coalesce(NEW.backtest_id, 0)
                    AND f.cutoff = NEW.cutoff AND f.horizon = NEW.horizon))
BEGIN SELECT RAISE(ABORT, 'forecast is append-only: UNIQUE cell'); END
;
