-- The database itself refuses to change or delete a forecast.

CREATE FUNCTION forecast_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'forecast is append-only'; END $$
;
CREATE TRIGGER forecast_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON forecast
FOR EACH STATEMENT EXECUTE FUNCTION forecast_is_append_only()
;
