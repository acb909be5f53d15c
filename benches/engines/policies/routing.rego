# Which team gets a new incident? The first rule that fits decides.
package routing

security if contains(input.title, "phishing")
security if contains(input.title, "ransomware")

mail if input.category == "mail"
mail if contains(input.title, "mailbox")

team := "security-response" if security
else := "duty-manager" if {
	input.caller.vip
	input.urgency <= 2
	input.impact <= 2
}
else := input.service.support_team if {
	input.service.criticality == "gold"
	input.service.support_team != null
}
else := "operations" if {
	input.channel == "alert"
	input.ci.environment == "production"
}
else := "network-emergency" if {
	input.category == "network"
	input.impact == 1
}
else := "network-operations" if input.category == "network"
else := "databases" if input.category == "database"
else := "messaging" if mail
else := "dispatch" if input.reassignment_count >= 3
else := "problem-management" if input.reopen_count >= 2
else := "onsite-support" if {
	input.channel == "walk_in"
	input.type == "hardware"
}
else := "service-desk"
