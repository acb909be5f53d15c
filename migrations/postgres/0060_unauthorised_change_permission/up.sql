-- What was changed without a change has permissions of its own: whoever had them through windows keeps them.
UPDATE role SET permissions = replace(permissions, '"change_window.write"',
    '"change_window.write","unauthorised_change.report","unauthorised_change.settle"') WHERE version > 1 OR NOT shipped;
UPDATE role SET permissions = replace(permissions, '"change_window.read"', '"change_window.read","unauthorised_change.read"')
    WHERE version > 1 OR NOT shipped;
UPDATE role SET permissions = replace(permissions, '"change_window.*"', '"change_window.*","unauthorised_change.*"')
    WHERE version > 1 OR NOT shipped;
UPDATE personal_token SET scopes = replace(replace(replace(scopes,
    '"change_window.write"', '"change_window.write","unauthorised_change.report","unauthorised_change.settle"'),
    '"change_window.read"', '"change_window.read","unauthorised_change.read"'),
    '"change_window.*"', '"change_window.*","unauthorised_change.*"');
