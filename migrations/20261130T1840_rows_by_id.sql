-- Who knows an operation or an effect goes to it by its id, from the first minute on. On a database that PostgreSQL has not analysed yet,
-- any index that begins with the tenant seems to lead to one row as well, because the policy's comparison can be answered by it. Functions
-- keep the plan that they made while tables were nearly empty, and then read all that a tenant has, for each step of each operation, until
-- the tables are analysed.

-- The policy says the same as before, in a form that no index answers: lists of operations name their tenant themselves.
alter policy tenant_rows on operation using (tenant_id is not distinct from nullif(current_setting('app.tenant', true), ''));

-- Unique ids first, so that neither seems to lead to a tenant's few rows.
drop index operation_attempt;
create unique index operation_attempt on operation (root_id, attempt, tenant_id);
drop index effect_step;
create unique index effect_step on effect (root_id, step, generation, tenant_id);
