UPDATE role SET permissions = replace(replace(replace(replace(permissions, ',"unauthorised_change.report"', ''),
    ',"unauthorised_change.settle"', ''), ',"unauthorised_change.read"', ''), ',"unauthorised_change.*"', '');
UPDATE personal_token SET scopes = replace(replace(replace(replace(scopes, ',"unauthorised_change.report"', ''),
    ',"unauthorised_change.settle"', ''), ',"unauthorised_change.read"', ''), ',"unauthorised_change.*"', '');
